<?php

declare(strict_types=1);

// Says whether there is such a recipient, before any mail is sent. MAIL_MAILBOX is what the address
// stands for, bob@example.org for bob+lists@example.org; MAIL_RCPT is the address as the client
// gave it.

const MAILBOXES = ['you@example.org' => 'open', 'former@example.org' => 'closed'];

switch (MAILBOXES[strtolower($_SERVER['MAIL_MAILBOX'])] ?? null) {
    case 'open':
        echo 'PASS';
        break;
    case 'closed':
        header('X-SMTP-Reply: 550 5.2.1 Has moved on');
        break;
    default:
        http_response_code(404);
}
