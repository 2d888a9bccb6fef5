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

  table "clients" {
    where = row.id > 5
    column "id" { key_of = "clients" }
  }
  table "jobs" {
    column "id" {
      key_of = "jobs"
      values = { 1 = 2 }
    }
    column "client" { key_of = "clients" }
    column "label" { key_of = "clients" }
    column "twice" {
      left     = "twice"
      right    = "half"
      to_right = left.client * 2
      to_left  = right.half / 2
    }
  }
  table "parts" {
    column "piece" { key_of = "parts" }
  }
  table "places" {
    column "number" { key_of = "places" }
  }
}
