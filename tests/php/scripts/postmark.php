<?php
require 'common.php';
$mail = json_decode(file_get_contents('php://input'), true, flags: JSON_THROW_ON_ERROR);
is('from', $mail['FromFull'], ['Email' => 's@example.net', 'Name' => 'Jürgen', 'MailboxHash' => '']);
is('to', $mail['ToFull'][0], ['Email' => 'bob+x@example.org', 'Name' => 'Bob, the first', 'MailboxHash' => 'x']);
is('recipient', $mail['OriginalRecipient'], 'bob+x@example.org');
is('hash', $mail['MailboxHash'], 'x');
is('subject', $mail['Subject'], 'café & "more" =5 %');
is('date', $mail['Date'], 'Fri, 20 Nov 2026 12:00:00 +0100');
is('text', $mail['TextBody'], TEXT);
is('html', $mail['HtmlBody'], HTML);
is('headers', $mail['Headers'][0], ['Name' => 'Return-Path', 'Value' => '<s@example.net>']);
[$csv, $png] = $mail['Attachments'];
is('csv', base64_decode($csv['Content']), CSV);
is('png', base64_decode($png['Content']), PNG);
is('length', $png['ContentLength'], 256);
is('cid', $png['ContentID'], 'image@example.net');
echo 'OK';
