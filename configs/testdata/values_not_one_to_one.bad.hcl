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
    column "c" {
      values = {
        A = "x"
        B = "x"
        A = "y"
        C = null
      }
    }
  }
}
