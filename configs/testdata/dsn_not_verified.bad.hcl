store "a" {
  engine = "postgres"
  dsn    = "postgres://user:CANARY@host/db?sslmode=disable"
}

store "b" {
  engine   = "postgres"
  dsn      = "host=h user=u password='CANARY it\\'s' sslmode = 'allow'"
  insecure = false
}

store "c" {
  engine = "postgres"
  dsn    = "postgres://user@host/db?password=CANARY&sslmode=verify-full&sslmode=%70refer"
}

store "d" {
  engine = "postgres"
  dsn    = "host=h password=${env("CDCSYNC_TEST_SECRET")} sslmode=require"
}

store "e" {
  engine = "postgres"
  dsn    = <<EOT
host=h
password=CANARY
sslmode=disable
EOT
}
