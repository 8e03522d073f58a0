<?php
echo 'SAVED';
