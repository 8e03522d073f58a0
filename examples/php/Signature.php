<?php

declare(strict_types=1);

namespace App;

use InvalidArgumentException;

/**
 * Knows requests of Maiasaura by `X-Signature`. A route of a framework can be reached from the
 * whole Internet, and anybody can send the other header fields.
 */
final class Signature
{
    /** Seconds that a request may be old, so that one which was overheard is soon worth nothing. */
    private const AGE = 300;

    /** What is signed beside the time. Other fields prove nothing: who relays a request may change them. */
    private const SIGNED = [
        'HTTP_IDEMPOTENCY_KEY',
        'HTTP_X_ENVELOPE_FROM',
        'HTTP_X_ENVELOPE_TO',
        'HTTP_X_MAILBOX',
        'HTTP_X_LOGIN',
        'HTTP_CONTENT_DIGEST',
    ];

    /** @param string $secret the one of `fastcgi.secret` */
    public function __construct(#[\SensitiveParameter] private readonly string $secret)
    {
        // What everybody knows signs nothing.
        if (trim($secret) === '') {
            throw new InvalidArgumentException('the secret is empty');
        }
    }

    /**
     * @param array<string, mixed> $server `$_SERVER`, or what the framework has of it
     * @param resource|null        $body   `fopen('php://input', 'rb')`; null where PHP has none, as with
     *                                     `multipart/form-data`: then nothing proves the form
     */
    public function isGood(array $server, $body): bool
    {
        $signature = (string) ($server['HTTP_X_SIGNATURE'] ?? '');
        if (preg_match('/^t=(\d+),v2=([0-9a-f]{64})$/D', $signature, $found) !== 1) {
            return false;
        }
        [, $time, $code] = $found;
        // No value has a line end in it, so each line is what it seems to be.
        $lines = ['v2', $time];
        foreach (self::SIGNED as $name) {
            $lines[] = $server[$name] ?? '';
        }
        $wanted = hash_hmac('sha256', implode("\n", $lines), $this->secret);
        $isOurs = hash_equals($wanted, $code) && abs(time() - (int) $time) <= self::AGE;

        return $isOurs && ($body === null || $this->digest($body) === $server['HTTP_CONTENT_DIGEST']);
    }

    /**
     * As in the field `Content-Digest` (RFC 9530).
     *
     * @param resource $body read in pieces, so that its size does not matter
     */
    private function digest($body): string
    {
        $hash = hash_init('sha256');
        hash_update_stream($hash, $body);

        return 'sha-256=:' . base64_encode(hash_final($hash, true)) . ':';
    }
}
