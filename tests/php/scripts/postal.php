<?php
require 'common.php';
$mail = json_decode(file_get_contents('php://input'), true, flags: JSON_THROW_ON_ERROR);
is('rcpt', $mail['rcpt_to'], 'bob+x@example.org');
is('from', $mail['mail_from'], 's@example.net');
is('sender', $mail['from'], '=?utf-8?q?J=C3=BCrgen?= <s@example.net>');
is('subject', $mail['subject'], 'café & "more" =5 %');
is('id', $mail['message_id'], '1@example.net');
is('reply', $mail['in_reply_to'], '<0@example.net>');
is('bounce', $mail['bounce'], false);
is('plain', $mail['plain_body'], TEXT);
is('html', $mail['html_body'], HTML);
is('quantity', $mail['attachment_quantity'], 2);
is('name', $mail['attachments'][0]['filename'], 'list.csv');
is('png', base64_decode($mail['attachments'][1]['data']), PNG);
echo 'OK';
