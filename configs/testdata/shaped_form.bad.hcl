store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "l" {
  left   = store.a
  right  = store.b
  salt   = ""

  table "t" {
    column "a" { mask = "hash" }
    column "b" { mask = "rot13" }
    column "c" { constant = left.c }
    column "d" { default = ["x"] }
    column "e" { sensitive = "yes" }
    column "f" {
      constant = 1
      merge    = "sum"
    }
  }
}
