autocmd BufNewFile,BufRead *.net setfiletype netdsl
