store "legacy" {
  engine = "sqlit"
  dsn    = env("CDCSYNC_TEST_UNSET")
}

store "modern" {
  engine = "sqlite"
  dsn    = "CANARY.db"
}

link "crm" {
  left      = store.legacy
  right     = store.moderm
  direction = "bth"

  table "customers" {
    left = "tbl_cust"
    column "price" {
      left     = "cents"
      to_right = left.cents / 100
    }
    column "status" { values = { A = "x", B = "x" } }
    ignroe = ["note"]
  }
}

admin { listen = "0.0.0.0:80" }
