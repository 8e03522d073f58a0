<?php
// Notes where a message lies, and how large it is said to be.
$mail = json_decode(file_get_contents('php://input'), true, flags: JSON_THROW_ON_ERROR);
file_put_contents(__DIR__ . '/notes/where', $mail['size'] . ' ' . $mail['path']);
echo 'SAVED';
