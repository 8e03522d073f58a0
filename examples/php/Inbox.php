<?php

declare(strict_types=1);

namespace App;

use InvalidArgumentException;
use RuntimeException;

/** Keeps messages in a folder, one file each, named by their keys. */
final class Inbox
{
    public function __construct(private readonly string $folder)
    {
    }

    /**
     * Keeps what the stream has, and says whether that is new. The same key means the same mail
     * again: an earlier answer was lost, or somebody sent it twice. It is on the disk when this
     * returns; an exception means that it is not, and that it should be sent again.
     *
     * @param resource $mail the message, read in pieces so that its size does not matter
     * @param int      $size its octets, as announced: what is shorter broke off on the way
     */
    public function keep(string $key, $mail, int $size): bool
    {
        // It becomes a file name, so nothing else may pass for one.
        if (preg_match('/^[0-9a-f]{64}$/D', $key) !== 1) {
            throw new InvalidArgumentException('this is no key');
        }
        $file = "$this->folder/$key.eml";
        $isNew = !is_file($file) && $this->add($file, $mail, $size);
        // The name has to survive a power cut as well as the octets.
        fsync(fopen($this->folder, 'rb'));

        return $isNew;
    }

    /** @param resource $mail */
    private function add(string $file, $mail, int $size): bool
    {
        $part = "$file.part-" . bin2hex(random_bytes(8));
        try {
            $this->write($part, $mail, $size);
            // Unlike rename(), link() fails where the name is taken: of two requests at the same
            // time only one is the first.
            $isNew = @link($part, $file);
        } finally {
            @unlink($part);
        }
        if (!$isNew && !is_file($file)) {
            throw new RuntimeException("cannot make $file");
        }

        return $isNew;
    }

    /** @param resource $mail */
    private function write(string $part, $mail, int $size): void
    {
        $file = fopen($part, 'xb') ?: throw new RuntimeException("cannot make $part");
        $written = stream_copy_to_stream($mail, $file);
        if ($written !== $size) {
            throw new RuntimeException("$written octets instead of $size");
        }
        if (!fsync($file) || !fclose($file)) {
            throw new RuntimeException("cannot write $part");
        }
    }
}
