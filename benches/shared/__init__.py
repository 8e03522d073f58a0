"""What benches/php, benches/redis and benches/mysql share."""
