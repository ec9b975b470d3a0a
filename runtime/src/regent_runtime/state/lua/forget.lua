if not known() then return 0 end
drop(id)
return 1
