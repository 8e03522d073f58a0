<?php

declare(strict_types=1);

// Takes mail from go-guerrilla's fastcgi-processor, or from Maiasaura with `body: guerrilla`.
// Inbox.php lies beside it.

use App\Inbox;

require __DIR__ . '/Inbox.php';

if (!isset($_POST['body'])) {
    // PHP drops a form above post_max_size and runs the script all the same. Tried again, until the
    // limit is raised.
    http_response_code(503);
    exit('no body: is post_max_size too small?');
}

// Only Maiasaura names the mail. Without a name, the same octets for the same recipients are the same.
$key = $_SERVER['MAIL_KEY'] ?? hash('sha256', serialize($_POST));

$mail = fopen('php://memory', 'w+b');
fwrite($mail, $_POST['body']);
rewind($mail);
(new Inbox(__DIR__ . '/inbox'))->keep($key, $mail, strlen($_POST['body']));

echo 'SAVED';
