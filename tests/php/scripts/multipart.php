<?php
require 'common.php';
is('key', json_decode($_POST['envelope'], true)['key'], $_SERVER['MAIL_KEY']);
is('subject', $_POST['subject'], 'café & "more" =5 %');
is('from', $_POST['from'], '"Jürgen" <s@example.net>');
is('to', $_POST['to'], '"Bob, the first" <bob+x@example.org>, carol@example.org');
is('text', $_POST['text'], TEXT);
is('html', $_POST['html'], HTML);
is('header', json_decode($_POST['headers'], true)[0]['name'], 'Return-Path');
$files = $_FILES['attachments'];
is('errors', $files['error'], [UPLOAD_ERR_OK, UPLOAD_ERR_OK]);
is('names', $files['name'], ['list.csv', 'a%22b.png']);
is('types', $files['type'], ['text/csv', 'image/png']);
is('csv', file_get_contents($files['tmp_name'][0]), CSV);
is('png', file_get_contents($files['tmp_name'][1]), PNG);
echo 'SAVED';
