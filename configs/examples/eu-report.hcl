# A copy for reports: the customers of one region, one way, without what identifies them.
#
#   cdcsync check eu-report.hcl     reads this file only
#   cdcsync plan  eu-report.hcl     looks into both stores and says what would be done
#   cdcsync run   eu-report.hcl     keeps the copy up to date until it is stopped

store "shop" {
  engine = "postgres"
  dsn    = "host=shop.example.org dbname=shop user=syncer password='${env("MODERN_PASSWORD")}'"
}

store "report" {
  engine = "sqlite"
  dsn    = "report.db"
}

link "eu" {
  left      = store.shop
  right     = store.report
  direction = "left_to_right"

  # Constants for the expressions below, as link.name.
  params = { region = "EU" }

  # What hashes are made with. Whoever knows it can try guesses.
  salt = env("MASK_SALT")

  table "customers" {
    # A customer who moves away disappears from the copy, one who moves here appears in it.
    where = row.region == link.region

    # The same address has the same hash, so it can be counted.
    column "email" { mask = "hash" }
    column "birthday" { mask = "null" }

    # The copy has no NULL here.
    column "segment" { default = "none" }

    # Only the copy has this.
    column "origin" {
      right    = "origin"
      constant = link.region
    }
  }
}
