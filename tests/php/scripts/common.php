<?php
// What is not as it should be is an answer that is tried again, and says what it is.
function is(string $what, mixed $found, mixed $wanted): void
{
    if ($found !== $wanted) {
        http_response_code(500);
        exit("$what: " . var_export($found, true));
    }
}

const TEXT = "café \"x\" & y=z + 100%\r\n";
const HTML = "<p>café</p>\r\n";
const CSV = "a;b";
define('PNG', implode('', array_map('chr', range(0, 255))));

// What every request about a message has.
is('method', $_SERVER['REQUEST_METHOD'], 'POST');
is('from', $_SERVER['MAIL_FROM'], 's@example.net');
is('rcpt', $_SERVER['HTTP_X_ENVELOPE_TO'], 'bob+x@example.org');
is('capture', $_SERVER['HTTP_X_CAPTURE_SHOP'], 'one');
is('client', $_SERVER['REMOTE_ADDR'], '192.0.2.7');
is('key', preg_match('/^[0-9a-f]{64}$/', $_SERVER['HTTP_IDEMPOTENCY_KEY']), 1);
is('proxy', isset($_SERVER['HTTP_PROXY']), false);
