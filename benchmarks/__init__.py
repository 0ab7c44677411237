"""Each row of the speed table, measured; peers in the same run where there are any. `make bench`"""
