<?php
require 'common.php';
is('uri', $_SERVER['REQUEST_URI'], '/webhooks/mail?from=maiasaura');
is('document', $_SERVER['DOCUMENT_URI'], '/webhooks/mail');
is('script', $_SERVER['SCRIPT_NAME'], '/front.php');
is('file', $_SERVER['SCRIPT_FILENAME'], __FILE__);
is('root', $_SERVER['DOCUMENT_ROOT'], __DIR__);
is('query', $_GET, ['from' => 'maiasaura']);
is('host', $_SERVER['HTTP_HOST'], 'mx.example.org');
echo 'SAVED';
