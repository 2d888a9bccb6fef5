store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "l" {
  left  = store.a
  right = store.b
  tables { include = ["t"] }
}

admin {
  listen        = "[::]:8480"
  hosts         = ["sync.example.org", "sync.example.org:8480", "*.example.org"]
  read_token    = "${env("CDCSYNC_TEST_SECRET")}-for-reading"
  operate_token = "${env("CDCSYNC_TEST_SECRET")}-for-operating"
  tls {
    cert        = "nowhere.pem"
    client_cert = "nowhere.pem"
  }
  tls {}
}
