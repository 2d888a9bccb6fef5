store "a" {
}

link "l" {
  tables {
  }
}

admin {
}
