<?php
switch ($_GET['rcpt_to']) {
    case 'bob@example.org':
    case 'bob+x@example.org':
    case '"a b&c"@example.org':
        exit('PASS');
    case 'passed@example.org':
        exit(http_response_code(204));
    case 'gone@example.org':
        header('X-SMTP-Reply: 550 5.2.1 Gone fishing');
        exit;
    case 'broken@example.org':
        throw new Exception('no database');
}
http_response_code(404);
