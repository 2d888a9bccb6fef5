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
  conflict { policy = "custom" }
  table "t" {
    conflict {
      policy = "latest"
      custom = { n = max(lft.n, right.n), at = timestamp() }
    }
  }
  table "u" {
    conflict {
      policy = "custom"
      custom = { n = row.n + link.most }
    }
  }
}
