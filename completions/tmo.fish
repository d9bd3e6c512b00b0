complete --keep-order --exclusive --command tmo --arguments "(_TMO_COMPLETE=fish tmo -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
