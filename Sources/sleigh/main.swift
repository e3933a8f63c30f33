print("sleigh")
