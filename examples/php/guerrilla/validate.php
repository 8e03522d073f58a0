<?php

declare(strict_types=1);

// Asked by go-guerrilla's fastcgi-processor, or by Maiasaura, about a recipient.

const MAILBOXES = ['you@example.org'];

if (in_array(strtolower($_GET['rcpt_to']), MAILBOXES, true)) {
    echo 'PASSED';
} else {
    http_response_code(404);
    // go-guerrilla does not look at the status, and stumbles over answers of less than six octets.
    echo 'UNKNOWN';
}
