store "a" {
  engine = "mysql"
  dsn    = "/data/CANARY/shop.db"
}

store "b" {
  engine = "mariadb"
  dsn    = "mysql://user:CANARY@host/db"
}

store "c" {
  engine = "mysql"
  dsn    = "user:CANARY@tcp(host:3306)/"
}

store "d" {
  engine = "mysql"
  dsn    = "user:CANARY@tcp(host:3306)/db?tls=skip-verify"
}

store "e" {
  engine = "mariadb"
  dsn    = "user:CANARY@tcp(host:3306)/db?tls=CANARY"
}

store "f" {
  engine  = "mysql"
  dsn     = env("CDCSYNC_TEST_SECRET")
  capture = "keys"
}

store "g" {
  engine   = "mysql"
  dsn      = "user:CANARY@tcp(host:3306)/db?tls=%zz"
  insecure = true
}
