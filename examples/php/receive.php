<?php

declare(strict_types=1);

// Receives one message for one recipient. Keep it where no web server looks: only Maiasaura should
// reach it, and then what begins with MAIL_ can be believed.

use App\Inbox;

require __DIR__ . '/Inbox.php';

const UNWANTED = ['noise@example.net'];

if (in_array($_SERVER['MAIL_FROM'], UNWANTED, true)) {
    // The client hears exactly this. A 422 would do, too.
    header('X-SMTP-Reply: 550 5.7.1 Your mail is not wanted here');
    exit;
}

$inbox = new Inbox(__DIR__ . '/inbox');
$isNew = $inbox->keep(
    $_SERVER['MAIL_KEY'],
    fopen('php://input', 'rb'),
    (int) $_SERVER['CONTENT_LENGTH'],
);
if ($isNew) {
    // Whatever takes long or may fail belongs into a job that works through the inbox. What is done
    // here is not done again should it break off.
    error_log("mail from $_SERVER[MAIL_FROM] for $_SERVER[MAIL_RCPT]");
}

// Last of all, as it says: you need not keep it any more. A script that breaks off before has
// acknowledged nothing, and sees the message again.
header("X-Mail-Ack: $_SERVER[MAIL_KEY]");
