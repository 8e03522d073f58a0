<?php
require 'common.php';
is('envelope', json_decode($_POST['envelope'], true), ['to' => ['bob+x@example.org'], 'from' => 's@example.net']);
is('from', $_POST['from'], '"Jürgen" <s@example.net>');
is('subject', $_POST['subject'], 'café & "more" =5 %');
is('ip', $_POST['sender_ip'], '192.0.2.7');
is('text', $_POST['text'], TEXT);
is('html', $_POST['html'], HTML);
is('headers', str_contains($_POST['headers'], "\nReply-To: replies@example.net\n"), true);
is('charsets', json_decode($_POST['charsets'], true)['text'], 'UTF-8');
is('count', $_POST['attachments'], '2');
$info = json_decode($_POST['attachment-info'], true);
is('info', $info['attachment2'], ['filename' => '../../a"b.png', 'name' => '../../a"b.png', 'type' => 'image/png', 'content-id' => 'image@example.net']);
is('ids', json_decode($_POST['content-ids'], true), ['image@example.net' => 'attachment2']);
is('csv', file_get_contents($_FILES['attachment1']['tmp_name']), CSV);
is('png', file_get_contents($_FILES['attachment2']['tmp_name']), PNG);
echo 'OK';
