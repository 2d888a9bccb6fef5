store "a" {
  engine = "sqlite"
  dsn    = <<EOT
CANARY ${CANARY}
EOT
}
