<?php
// Notes what it is given in a file that has the key as its name: a line for each attempt.
$content = file_get_contents('php://input');
$line = [$_SERVER['MAIL_ATTEMPT'], hash('sha256', $content), $_SERVER['MAIL_RCPT'], $_SERVER['REMOTE_ADDR']];
$note = __DIR__ . '/notes/' . $_SERVER['HTTP_IDEMPOTENCY_KEY'];
file_put_contents($note, implode(' ', $line) . "\n", FILE_APPEND);
preg_match('/^Subject: (\w+)/m', $content, $found);
if ($found[1] === 'slow') {
    usleep(20000);
}
if ($found[1] === 'wait' && $_SERVER['MAIL_ATTEMPT'] < 2) {
    header('Retry-After: 7200');
    exit(http_response_code(503));
}
if ($found[1] === 'refuse' && !file_exists(__DIR__ . '/notes/ready')) {
    exit(http_response_code(422));
}
header('X-Mail-Ack: ' . $_SERVER['HTTP_IDEMPOTENCY_KEY']);
