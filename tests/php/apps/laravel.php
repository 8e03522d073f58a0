<?php

declare(strict_types=1);

// What public/index.php and its framework do for the routes of examples/php/laravel, with the
// components of Laravel that Debian has.

use Illuminate\Container\Container;
use Illuminate\Events\Dispatcher;
use Illuminate\Http\Request;
use Illuminate\Routing\RoutingServiceProvider;
use Illuminate\Support\Facades\Facade;

// Deprecations of the components are none of ours.
error_reporting(E_ALL & ~E_DEPRECATED);
require 'Illuminate/Routing/autoload.php';
require 'Illuminate/Events/autoload.php';
require __DIR__ . '/Inbox.php';
require __DIR__ . '/Signature.php';

// The global middleware ValidatePostSize, whose component Debian does not have.
$limit = ini_parse_quantity(ini_get('post_max_size'));
if ($limit > 0 && $_SERVER['CONTENT_LENGTH'] > $limit) {
    http_response_code(413);
    exit;
}

function config(string $key): string
{
    return ['services.maiasaura.secret' => 's3cret'][$key];
}

function storage_path(string $path): string
{
    return ['mail' => __DIR__ . '/inbox'][$path];
}

$app = new Container();
Facade::setFacadeApplication($app);
$app->instance('events', new Dispatcher($app));
(new RoutingServiceProvider($app))->register();
$app->instance(Request::class, $request = Request::capture());
$router = $app->make('router');
$router->prefix('api')->group(__DIR__ . '/api.php');
$router->dispatch($request)->send();
