<?php
// Reads the message, notes that there was one, and says so: as little as PHP can do with mail.
$mail = $_POST['body'] ?? file_get_contents('php://input');
file_put_contents(__DIR__ . '/taken', strlen($mail) > 0 ? '.' : '', FILE_APPEND);
echo 'SAVED';
