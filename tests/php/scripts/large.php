<?php
// Read in pieces, as a mail of this size should be.
$context = hash_init('sha256');
hash_update_stream($context, fopen('php://input', 'r'));
$same = hash_final($context) === hash_file('sha256', __DIR__ . '/mail.eml');
echo $same ? 'SAVED' : 'not the same';
