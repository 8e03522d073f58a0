<?php

declare(strict_types=1);

// What public/index.php and its framework do for examples/php/symfony, with the components of
// Symfony that Debian has.

use App\Controller\MailController;
use Symfony\Component\EventDispatcher\EventDispatcher;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\RequestStack;
use Symfony\Component\HttpKernel\EventListener\RouterListener;
use Symfony\Component\HttpKernel\HttpKernel;
use Symfony\Component\HttpKernel\Controller\ControllerResolver;
use Symfony\Component\Routing\Matcher\UrlMatcher;
use Symfony\Component\Routing\RequestContext;
use Symfony\Component\Routing\Route;
use Symfony\Component\Routing\RouteCollection;

// Deprecations of the components are none of ours.
error_reporting(E_ALL & ~E_DEPRECATED);
require 'Symfony/Component/HttpKernel/autoload.php';
require 'Symfony/Component/Routing/autoload.php';
require __DIR__ . '/Inbox.php';
require __DIR__ . '/Signature.php';
require __DIR__ . '/MailController.php';

// The attribute is of Symfony 6.4 and later; here only what it says is needed.
$attributes = (new ReflectionMethod(MailController::class, 'receive'))->getAttributes();
[0 => $path, 'methods' => $methods] = $attributes[0]->getArguments();
$controller = [new MailController('s3cret', __DIR__ . '/inbox'), 'receive'];
$routes = new RouteCollection();
$routes->add('mail', new Route($path, ['_controller' => $controller], methods: $methods));

$requests = new RequestStack();
$dispatcher = new EventDispatcher();
$matcher = new UrlMatcher($routes, new RequestContext());
$dispatcher->addSubscriber(new RouterListener($matcher, $requests));
$kernel = new HttpKernel($dispatcher, new ControllerResolver(), $requests);
$kernel->handle(Request::createFromGlobals())->send();
