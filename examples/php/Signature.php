<?php

declare(strict_types=1);

namespace App;

/**
 * Knows requests of Maiasaura by `X-Signature`. A route of a framework can be reached from the
 * whole Internet, and anybody can send the other header fields.
 */
final class Signature
{
    /** Seconds that a request may be old, so that one which was overheard is soon worth nothing. */
    private const AGE = 300;

    /** @param string $secret the one of `fastcgi.secret` */
    public function __construct(private readonly string $secret)
    {
    }

    public function isGood(?string $signature, ?string $key, ?string $from, ?string $to): bool
    {
        if (preg_match('/^t=(\d+),v1=([0-9a-f]{64})$/D', $signature ?? '', $found) !== 1) {
            return false;
        }
        [, $time, $code] = $found;
        $wanted = hash_hmac('sha256', "$time.$key.$from.$to", $this->secret);

        return hash_equals($wanted, $code) && abs(time() - (int) $time) <= self::AGE;
    }
}
