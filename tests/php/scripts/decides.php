<?php
preg_match('/^Subject: (\w+)/m', file_get_contents('php://input'), $found);
switch ($found[1]) {
    case 'take':
        exit('SAVED');
    case 'refuse':
        exit(http_response_code(422));
    case 'spam':
        header('X-SMTP-Reply: 550 5.7.9 No spam');
        exit;
    case 'break':
        throw new Exception('no database');
    case 'crash':
        exec('kill -9 ' . getmypid());
        sleep(60);
}
