<?php

declare(strict_types=1);

// For routes/api.php, where no CSRF token is asked for and no session is begun; its routes are
// below /api. `php artisan install:api` brings it (from Laravel 11 on). Inbox.php and Signature.php go
// to app/; storage/mail has to be made, for the user of the pool.
//
//   fastcgi:
//     address: unix:/run/php/php-fpm.sock
//     script: /srv/laravel/public/index.php
//     uri: /api/webhooks/mail
//     secret: ${MAIL_SECRET}

use App\Inbox;
use App\Signature;
use Illuminate\Http\Request;
use Illuminate\Http\Response;
use Illuminate\Support\Facades\Route;

Route::post('/webhooks/mail', function (Request $request): Response {
    $key = $request->header('Idempotency-Key');
    [$from, $to] = [$request->header('X-Envelope-From'), $request->header('X-Envelope-To')];
    // config/services.php: 'maiasaura' => ['secret' => env('MAIL_SECRET')]
    $signature = new Signature(config('services.maiasaura.secret'));
    if (!$signature->isGood($request->server->all(), $request->getContent(true))) {
        // Tried again: a secret that differs for an hour must cost no mail.
        return new Response('', 401);
    }
    $size = (int) $request->server('CONTENT_LENGTH');
    if ($size > 10_000_000) {
        return new Response('', 413);
    }
    $isNew = (new Inbox(storage_path('mail')))->keep($key, $request->getContent(true), $size);
    if ($isNew) {
        // ReadMail::dispatch($key, $from, $to);
    }

    return new Response('', 200, ['X-Mail-Ack' => $key]);
});
