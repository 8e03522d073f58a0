<?php
require 'common.php';
is('recipient', $_POST['recipient'], 'bob+x@example.org');
is('sender', $_POST['sender'], 's@example.net');
is('from', $_POST['from'], '"Jürgen" <s@example.net>');
is('subject', $_POST['subject'], 'café & "more" =5 %');
is('plain', $_POST['body-plain'], TEXT);
is('html', $_POST['body-html'], HTML);
is('id', $_POST['Message-Id'], '<1@example.net>');
is('header', json_decode($_POST['message-headers'], true)[0], ['Return-Path', '<s@example.net>']);
is('count', $_POST['attachment-count'], '2');
is('ids', json_decode($_POST['content-id-map'], true), ['<image@example.net>' => 'attachment-2']);
is('csv', file_get_contents($_FILES['attachment-1']['tmp_name']), CSV);
is('png', file_get_contents($_FILES['attachment-2']['tmp_name']), PNG);
is('signature', $_POST['signature'], hash_hmac('sha256', $_POST['timestamp'] . $_POST['token'], 's3cret'));
echo 'OK';
