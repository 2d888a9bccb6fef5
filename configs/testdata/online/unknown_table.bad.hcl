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
  tables {
    include = ["order_line", "extra", "zzzzzz"]
    exclude = ["order_tmq"]
  }

  table "t" {
    left  = "tt"
    right = "nothing_like_it"
  }
}
