"""The tutorials: executed and written anew by a command, tested as Run All."""
