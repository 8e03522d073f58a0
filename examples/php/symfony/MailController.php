<?php

declare(strict_types=1);

// For src/Controller. Inbox.php and Signature.php go to src/; var/mail has to be made, for the user of
// the pool. No firewall of security.yaml may stand before the route: the signature is the key to it.
//
//   fastcgi:
//     address: unix:/run/php/php-fpm.sock
//     script: /srv/symfony/public/index.php
//     uri: /webhooks/mail
//     secret: ${MAIL_SECRET}

namespace App\Controller;

use App\Inbox;
use App\Signature;
use Symfony\Component\DependencyInjection\Attribute\Autowire;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Routing\Attribute\Route;

final class MailController
{
    public function __construct(
        #[Autowire('%env(MAIL_SECRET)%')] private readonly string $secret,
        #[Autowire('%kernel.project_dir%/var/mail')] private readonly string $folder,
    ) {
    }

    #[Route('/webhooks/mail', methods: ['POST'])]
    public function receive(Request $request): Response
    {
        $headers = $request->headers;
        $key = $headers->get('Idempotency-Key');
        [$from, $to] = [$headers->get('X-Envelope-From'), $headers->get('X-Envelope-To')];
        $signature = new Signature($this->secret);
        if (!$signature->isGood($request->server->all(), $request->getContent(true))) {
            // Tried again: a secret that differs for an hour must cost no mail.
            return new Response('', 401);
        }
        $size = (int) $request->server->get('CONTENT_LENGTH');
        if ($size > 10_000_000) {
            return new Response('', 413);
        }
        $isNew = (new Inbox($this->folder))->keep($key, $request->getContent(true), $size);
        if ($isNew) {
            // $this->bus->dispatch(new MailArrived($key, $from, $to));
        }

        return new Response('', 200, ['X-Mail-Ack' => $key]);
    }
}
