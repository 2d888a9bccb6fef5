store "a" {
  engine = "mysql"
  dsn    = "user:CANARY/with@marks?@tcp(host:3306)/db?tls=true&ssl-ca=/etc/ca.pem"
}

store "b" {
  engine   = "mariadb"
  dsn      = "user@unix(/run/mysqld.sock)/db"
  capture  = "rows"
  insecure = false
}

store "c" {
  engine   = "mysql"
  dsn      = "user:CANARY@tcp([::1]:3306)/db?tls=preferred"
  insecure = true
}

link "ab" {
  left  = store.a
  right = store.b
  tables { include = ["*"] }
}

link "bc" {
  left  = store.b
  right = store.c
  tables { include = ["t"] }
}
