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
    column "id" { key_of = "clients" }
    column "name" {
      key_of = "client"
    }
  }
  table "jobs" {
    column "id" {
      key_of = "jobs"
      merge  = "max"
    }
    column "place" { key_of = "places" }
  }
  table "places" {}
}
