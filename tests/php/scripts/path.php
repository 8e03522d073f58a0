<?php
require 'common.php';
$mail = json_decode(file_get_contents('php://input'), true, flags: JSON_THROW_ON_ERROR);
is('size', $mail['size'], filesize($mail['path']));
is('path', $mail['path'], __DIR__ . '/mail.eml');
is('attempt', $mail['envelope']['attempt'], 2);
is('attempts', $_SERVER['MAIL_ATTEMPT'], '2');
echo 'SAVED';
