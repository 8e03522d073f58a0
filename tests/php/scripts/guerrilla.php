<?php
require 'common.php';
is('form', $_POST, [
    'rcpt_to_0' => 'bob+x@example.org',
    'remote_ip' => '192.0.2.7',
    'subject' => 'café & "more" =5 %',
    'tls_on' => 'false',
    'helo' => 'client.example.net',
    'mail_from' => 's@example.net',
    'body' => file_get_contents(__DIR__ . '/mail.eml'),
]);
echo 'SAVED';
