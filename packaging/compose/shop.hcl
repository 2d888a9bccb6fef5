# The link of compose.yml. All of it is on one machine, so nobody verifies the servers.
store "old" {
  engine   = "mysql"
  dsn      = env("OLD_DSN")
  insecure = true
}

store "new" {
  engine   = "postgres"
  dsn      = env("NEW_DSN")
  insecure = true
}

link "shop" {
  left  = store.old
  right = store.new

  conflict { policy = "merge" }

  table "customers" {
    left  = "tbl_cust"
    right = "customers"

    column "id"    { left = "cust_id" }
    column "email" { left = "mail" }
    column "status" {
      left   = "state"
      values = { A = "active", I = "inactive" }
    }
    column "credit" {
      left     = "credit_cents"
      to_right = left.credit_cents / 100
      to_left  = round(right.credit * 100)
    }
    ignore = ["note"]
  }
}

admin { listen = "127.0.0.1:8480" }
