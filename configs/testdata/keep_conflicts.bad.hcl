store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "l" {
  left           = store.a
  right          = store.b
  keep_conflicts = "30m"
  tables { include = ["t"] }
}

link "m" {
  left           = store.a
  right          = store.b
  keep_conflicts = "3 months"
  tables { include = ["u"] }
}

link "n" {
  left           = store.a
  right          = store.b
  keep_conflict  = "90d"
  tables { include = ["v"] }
}
