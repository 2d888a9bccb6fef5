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
  params = { region = "EU", "9" = 1, list = ["a"] }

  table "columns" { where = true }
  table "sides" { where = left.region == "EU" }
  table "text" { where = upper(row.region) }
  table "parameter" { where = row.region == link.regoin }
  table "whole" { where = link == row.region }
  table "pure" { where = row.since < timestamp() }
}
