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

  table "t" {
    column "id" { merge = "max" }
    column "email" {
      left  = "mail"
      merge = "sum"
    }
    column "blob" { merge = "max" }
  }
}
