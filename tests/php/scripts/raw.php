<?php
require 'common.php';
is('type', $_SERVER['CONTENT_TYPE'], 'message/rfc822');
is('mail', file_get_contents('php://input'), file_get_contents(__DIR__ . '/mail.eml'));
// The signature, as an application would check it.
parse_str(strtr($_SERVER['HTTP_X_SIGNATURE'], ',', '&'), $signature);
$signed = implode("\n", ['v2', $signature['t'], $_SERVER['HTTP_IDEMPOTENCY_KEY'], $_SERVER['MAIL_FROM'],
    $_SERVER['MAIL_RCPT'], $_SERVER['MAIL_MAILBOX'], $_SERVER['MAIL_LOGIN'], $_SERVER['HTTP_CONTENT_DIGEST']]);
is('signature', $signature['v2'], hash_hmac('sha256', $signed, 's3cret'));
$digest = base64_encode(hash_file('sha256', 'php://input', true));
is('digest', $_SERVER['HTTP_CONTENT_DIGEST'], "sha-256=:$digest:");
is('time', abs(time() - $signature['t']) < 300, true);
header("X-Mail-Ack: $_SERVER[HTTP_IDEMPOTENCY_KEY]");
